"""What can go wrong, by who can fix it.

ValueError
    episodes.DataError      the data cannot give what was asked   exit code 2
    UsageError              the request cannot be met             exit code 2
RuntimeError
    RunError                a run that had begun has failed       exit code 1
        InterruptionError   the user stopped it                   exit code 1
        NotFiniteError      its training diverged                 exit code 1
        LostRankError       another process of it has ended       exit code 1
        OtherRankError      likewise, and it has said why         exit code 1
"""


class UsageError(ValueError):
    """A request that cannot be met; the message says what was asked, what was found, what to do."""


class RunError(RuntimeError):
    """A run that failed; the message says what happened, what is kept, what to do."""


TOO_LITTLE_MEMORY = "there is too little memory; choose a smaller backbone, batch, image size or number of tasks"


def is_memory(error: BaseException) -> bool:
    """Whether the main memory was too small: torch has no error of its own for that."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error))


class InterruptionError(RunError):
    """A run that the user stopped; the message is as of a RunError."""


class NotFiniteError(RunError):
    """A run whose loss or predictions are not finite, by its settings; the message is as of a RunError."""


class LostRankError(RunError):
    """A run of several ranks of which another ended; the message is as of a RunError."""


class OtherRankError(RunError):
    """A run of several ranks that failed on another one, which says why: here there is nothing to say."""


def first_line(error: BaseException) -> str:
    """What an error of another package says, in one line without a full stop."""
    return (str(error) or type(error).__name__).strip().splitlines()[0][:200].removesuffix(".")
