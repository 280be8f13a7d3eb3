"""What the product is made of: the packages of its locks, their licences, and a bill of materials."""
