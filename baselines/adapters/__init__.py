"""Methods of other packages as learners, by `prefix:name`; the packages are imported when one is asked for."""
