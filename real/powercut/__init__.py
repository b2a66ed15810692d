"""What a disk holds after its power was cut: disks that write down what reaches them, and every image that may be left."""
