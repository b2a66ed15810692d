"""What the tests share: certificates that the code under test did not make, and clocks they wind by hand."""
