"""The data for `top`: usage from the metrics API as rows, and why a node or a pod has none. Never writes."""
