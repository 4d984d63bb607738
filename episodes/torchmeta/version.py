"""The version of torchmeta whose interface this is."""

VERSION = "1.8.0"
