"""What people run: the functions behind the commands. They take settings, return data and print nothing."""
