"""The parts of a step: each says what it reads and writes, with units.

Names with a dot, ``lattice``, ``ids``, ``mcs`` and ``seed`` are those of the model's state; what is
made within the step has a name of its own. A part writes nothing else, and what it reads beside is
constant: the scenario, and what follows from it.
"""
