"""What every recipe's training shares."""
