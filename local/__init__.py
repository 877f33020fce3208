"""The embedded run: the same Pulumi program, on one machine, against an emulator."""
