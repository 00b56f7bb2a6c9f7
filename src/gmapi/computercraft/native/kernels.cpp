// The native kernels of the ComputerCraft converter: one translation unit with a C interface.
//
// Every function takes and fills buffers of its caller, keeps no global state and may be called
// from several threads. Results are 0 or a count; -1 means out of memory.

#include "cells.hpp"
#include "common.hpp"
#include "compose.hpp"
#include "dither.hpp"
#include "entropy.hpp"
#include "kmeans.hpp"
#include "lab.hpp"
#include "median_cut.hpp"
#include "octree.hpp"

// The version of this interface; the loader refuses a library of another one.
GM_API int gm_version() { return 2; }
