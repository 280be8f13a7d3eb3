"""Pages that move by themselves: who may listen, and the page that shows what arrives."""
