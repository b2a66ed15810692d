"""The verb `approver`, with a file for each command."""
