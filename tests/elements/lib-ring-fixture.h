/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For the tests of the pool over a ring: the ring, its pool, and what producers
 * and the encoder do with its buffers.
 */
#ifndef LIB_RING_FIXTURE_H
#define LIB_RING_FIXTURE_H

#include "lib-fixture.h"

#include "pipeline/ring.h"

#define BANDS 80
#define FRAME (BANDS * sizeof (gfloat))
#define CAPACITY 400
#define FRAMES 10
#define SIZE (FRAMES * FRAME)
#define COVER 40
#define BUFFERS (COVER / FRAMES + 2)

/* Leases of FRAMES frames that a ring nobody uses has. */
#define LEASES (2 * CAPACITY / FRAMES)

extern GstNpuDevice *device;
extern NpuFrameRing *ring;
extern GstBufferPool *pool;

/* On the device of this number. */
void open_ring (gint number);

/* Fails where a lease or a reference was left behind. */
void close_ring (void);

/* One more pool, active. */
GstBufferPool *open_pool_over_ring (gsize size);

/* Takes every lease that is left, and gives all back; returns how many. */
guint leases_left (void);

/* Takes all that is left, so that the pool gets none; returns how many. */
guint hold_leases (NpuRingLease * leases);
void release_leases (const NpuRingLease * leases, guint count);

/* Without waiting; every value of the frames is @value. */
GstBuffer *acquire (void);
GstBuffer *acquire_filled (gfloat value);

/* What the encoder does with a buffer. */
gboolean commit (GstBuffer * buffer);

/* Puts more through the ring than it has room for. */
void put_through (gfloat value);

void assert_values (GstMemory * memory, gfloat value);
gboolean lies_in_ring (GstBuffer * buffer);

/* Of the pool. */
GstNpuMemoryCounts pool_counts (void);
guint64 given_up (void);
guint64 detached (void);

#endif
