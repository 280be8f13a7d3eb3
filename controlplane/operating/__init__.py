"""Running an installation: metrics, signs of life, backup and restore, and checks of what is about to be shipped."""
