"""Values that the stacks, the template set and the operations share. Imports no other package of this project."""
