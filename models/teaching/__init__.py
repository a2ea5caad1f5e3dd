"""The teaching genome: a regulatory code that is known exactly (no torch here)."""
