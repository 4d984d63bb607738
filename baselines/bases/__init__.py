"""What learners of several families share: a network, and how it is trained."""
