/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Buffers for tests of the frame ring, whose host and device copies are
 * separate memory: a frame that was not synced is not there.
 */
#ifndef RING_FIXTURE_H
#define RING_FIXTURE_H

#include "pipeline/ring.h"

#define BANDS 16
#define FRAME_SIZE (BANDS * sizeof (float))

struct NpuBuffer
{
  size_t size;
  char *host;
  char *device;
};

/* Larger buffers are refused. */
extern size_t largest_allocation;

NpuFrameRing *make_ring (uint32_t capacity);

/* What the device has of the row @row of @view. */
const float *device_row (const NpuView * view, uint32_t row);

/* The host's address of frame @frame of @lease. */
float *lease_row (NpuFrameRing * ring, const NpuRingLease * lease,
    uint32_t frame);

/* A frame of one value. */
void fill_row (float *row, float value);

#endif
