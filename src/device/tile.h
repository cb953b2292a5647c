/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The tile kernels by number, for back ends that run NPU_OPERATION_TILE on the
 * host. Layouts and arithmetic: kernels/tiles/tiles.h.
 */
#ifndef NPU_DEVICE_TILE_H
#define NPU_DEVICE_TILE_H

#include "device/device.h"

/**
 * npu_tile_run:
 * Run @kernel on @tiles tiles, one behind another.
 *
 * @input, @output  @tiles times npu_tile_input_size() and
 *                  npu_tile_output_size() bytes, aligned to 2 bytes, apart
 *
 * Any thread; never fails, blocks or allocates.
 */
void npu_tile_run (NpuTileKernel kernel, const void *input, void *output,
    size_t tiles);

#endif
