"""What the fields of the API are: the table of types, and bodies checked against it."""
