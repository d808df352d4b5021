"""Pictures of a topology: a layout in layers, and the graph as SVG, Mermaid and DOT."""
