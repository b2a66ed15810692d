"""The verb `approver`: a file for each of its commands."""
