/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The bf16 tile kernels for any processor.
 */
#define LOOPS npu_tile_loops_c
#include "tiles/loops_template.h"
