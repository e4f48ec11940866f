"""The command line: thin functions that read arguments and call the operations, which are imported when called."""
