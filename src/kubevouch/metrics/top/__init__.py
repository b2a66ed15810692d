"""What `top` shows: the metrics API's usage as rows, and why a node or a pod has none. Reads only."""
