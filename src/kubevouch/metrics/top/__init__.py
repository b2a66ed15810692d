"""The data for `top`: usage from the metrics API as rows, and why usage is missing."""
