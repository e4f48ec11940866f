"""Tools for those who develop this project; nothing of production imports them."""
