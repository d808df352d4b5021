"""What programs outside can read of a topology: JSON Schemas, and an AsyncAPI document."""
