"""CUE sheets: read, written, checked and fitted to what players hold; the stages that do it for requests."""
