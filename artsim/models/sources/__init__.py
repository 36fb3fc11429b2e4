"""Sources of networks, a module each; `artsim.models.building` lists them."""
