"""Compiled kernels: the only place where numba is imported.

Each module holds plain Python loops over C-contiguous ``float64`` or ``int64`` arrays, decorated with
:func:`validstats.kernels._jit.jit`. A kernel calls only kernels of its own file, because numba's cache does
not notice edits in other files. The undecorated function stays reachable as ``kernel.py_func``.
"""
