/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The bf16 tile kernels as the compiler makes them for AVX2.
 */
#define LOOPS npu_tile_loops_avx2
#include "tiles/loops_template.h"
