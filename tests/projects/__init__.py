"""Small Lightning projects that tests run, in this process or in others."""
