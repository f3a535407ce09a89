"""The toolchain kernel: compiles and runs a whole pad with the programs of its language.

It runs inside the sandbox, out of one archive that the server puts there: it imports nothing but
the standard library and ipykernel. What it is to do stands in ``recipe.json`` beside it.
"""
