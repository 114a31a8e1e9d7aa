"""The LanceDB store and the index sink that writes it. Begin with `sink`."""
