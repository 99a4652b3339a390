"""What tools/tidy checks, one module a kind. Each check takes a Tree and yields Faults; none prints."""
