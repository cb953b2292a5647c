/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Ring of log-mel frames in one device buffer. Frame n lies at n modulo the
 * capacity, so that numbers need no table and a range wraps at most once. The
 * highest value of every frame is kept beside it for npu_ring_peak().
 */
#include "pipeline/ring.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* log10 of the lowest power that the front end gives out. */
#define SILENCE (-10.0f)

/* What NpuView asks of an offset, in bytes. */
#define VIEW_ALIGNMENT 64

struct NpuFrameRing
{
  NpuBuffer *buffer;
  float *peaks;                 /* one per frame of the capacity */
  uint32_t bands;
  uint32_t capacity;
  uint64_t oldest;
  uint64_t newest;
  uint64_t wanted;              /* frames before it are dropped as they come */
};

NpuStatus
npu_ring_create (NpuDevice * device, uint32_t bands, uint32_t capacity,
    NpuFrameRing ** ring, NpuError * error)
{
  NpuFrameRing *self;
  NpuStatus status;
  size_t frame_size = (size_t) bands * sizeof (float);

  if (!device || !ring || !bands || !capacity ||
      frame_size % VIEW_ALIGNMENT != 0 || capacity > SIZE_MAX / frame_size)
    return npu_error_set (error, NPU_EINVAL, "A ring of %u frames of %u bands "
        "is not possible: both must be positive, bands a multiple of %zu",
        capacity, bands, VIEW_ALIGNMENT / sizeof (float));

  self = calloc (1, sizeof (*self));
  if (self)
    self->peaks = calloc (capacity, sizeof (*self->peaks));
  if (!self || !self->peaks) {
    free (self);
    return npu_error_set (error, NPU_ENOMEM,
        "Out of memory for a ring of %u frames", capacity);
  }
  self->bands = bands;
  self->capacity = capacity;
  status = npu_buffer_create (device, capacity * frame_size, 0, &self->buffer,
      error);
  if (status != NPU_OK) {
    npu_ring_free (self);
    return status;
  }
  *ring = self;
  return NPU_OK;
}

void
npu_ring_free (NpuFrameRing * ring)
{
  if (!ring)
    return;
  npu_buffer_unref (ring->buffer);
  free (ring->peaks);
  free (ring);
}

void
npu_ring_reset (NpuFrameRing * ring, uint64_t first)
{
  ring->oldest = ring->newest = ring->wanted = first;
}

/* Not NaN even where a value is: fmaxf() takes the other one. */
static float
highest (const float *values, uint32_t count)
{
  float peak = SILENCE;

  for (uint32_t i = 0; i < count; i++)
    peak = fmaxf (peak, values[i]);
  return peak;
}

/* Store frames that do not wrap, in space that was found free. */
static void
store (NpuFrameRing * ring, const float *frames, uint32_t count)
{
  uint32_t place = (uint32_t) (ring->newest % ring->capacity);
  size_t frame_size = (size_t) ring->bands * sizeof (float);
  char *host = npu_buffer_host (ring->buffer);

  memcpy (host + place * frame_size, frames, count * frame_size);
  for (uint32_t i = 0; i < count; i++)
    ring->peaks[place + i] =
        highest (frames + (size_t) i * ring->bands, ring->bands);
  /* The range is inside the buffer, so only a lost device can fail; the next
   * submission of a list reports that with a message. */
  npu_buffer_sync (ring->buffer, NPU_SYNC_TO_DEVICE, place * frame_size,
      count * frame_size);
  ring->newest += count;
}

uint32_t
npu_ring_push (NpuFrameRing * ring, const float *frames, uint32_t count)
{
  uint32_t taken = 0;

  if (ring->wanted > ring->newest) {
    uint64_t unwanted = ring->wanted - ring->newest;

    taken = unwanted < count ? (uint32_t) unwanted : count;
    ring->newest += taken;
    ring->oldest = ring->newest;
  }
  while (taken < count) {
    uint32_t place = (uint32_t) (ring->newest % ring->capacity);
    uint32_t room =
        ring->capacity - (uint32_t) (ring->newest - ring->oldest);
    uint32_t part = count - taken;

    if (part > room)
      part = room;
    if (part > ring->capacity - place)
      part = ring->capacity - place;
    if (part == 0)
      break;
    store (ring, frames + (size_t) taken * ring->bands, part);
    taken += part;
  }
  return taken;
}

uint64_t
npu_ring_oldest (const NpuFrameRing * ring)
{
  return ring->oldest;
}

uint64_t
npu_ring_newest (const NpuFrameRing * ring)
{
  return ring->newest;
}

uint32_t
npu_ring_space (const NpuFrameRing * ring)
{
  uint64_t space = ring->capacity - (ring->newest - ring->oldest);

  if (ring->wanted > ring->newest)
    space += ring->wanted - ring->newest;
  return space < UINT32_MAX ? (uint32_t) space : UINT32_MAX;
}

void
npu_ring_trim (NpuFrameRing * ring, uint64_t first)
{
  if (first > ring->newest) {
    ring->oldest = ring->newest;
    if (first > ring->wanted)
      ring->wanted = first;
  } else if (first > ring->oldest) {
    ring->oldest = first;
  }
}

NpuStatus
npu_ring_view (const NpuFrameRing * ring, uint64_t first, uint32_t count,
    NpuView views[2])
{
  uint32_t place = (uint32_t) (first % ring->capacity);
  uint32_t unbroken = ring->capacity - place;

  if (first < ring->oldest || first > ring->newest ||
      count > ring->newest - first)
    return NPU_EINVAL;
  if (unbroken > count)
    unbroken = count;
  views[0] = (NpuView) {
    .buffer = ring->buffer,
    .offset = (size_t) place * ring->bands * sizeof (float),
    .rows = unbroken,
  };
  views[1] = (NpuView) {
    .buffer = ring->buffer,
    .offset = 0,
    .rows = count - unbroken,
  };
  return NPU_OK;
}

float
npu_ring_peak (const NpuFrameRing * ring, uint64_t first, uint32_t count)
{
  float peak = SILENCE;

  for (uint32_t i = 0; i < count; i++) {
    uint64_t frame = first + i;

    if (frame >= ring->oldest && frame < ring->newest)
      peak = fmaxf (peak, ring->peaks[frame % ring->capacity]);
  }
  return peak;
}
