/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The buffers of the ring's tests.
 */
#include "ring-fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

size_t largest_allocation = SIZE_MAX;

NpuStatus
npu_buffer_create (NpuDevice * device, size_t size, uint32_t group,
    NpuBuffer ** buffer, NpuError * error)
{
  if (size > largest_allocation)
    return npu_error_set (error, NPU_ENOMEM, "no memory");
  *buffer = calloc (1, sizeof (**buffer));
  (*buffer)->size = size;
  (*buffer)->host = calloc (1, size);
  (*buffer)->device = calloc (1, size);
  return NPU_OK;
}

void
npu_buffer_unref (NpuBuffer * buffer)
{
  if (!buffer)
    return;
  free (buffer->host);
  free (buffer->device);
  free (buffer);
}

void *
npu_buffer_host (NpuBuffer * buffer)
{
  return buffer->host;
}

NpuStatus
npu_buffer_sync (NpuBuffer * buffer, NpuSyncDirection direction,
    size_t offset, size_t size)
{
  /* check's own functions allocate, which some tests count */
  if (direction != NPU_SYNC_TO_DEVICE || offset > buffer->size
      || size > buffer->size - offset)
    return NPU_EINVAL;
  memcpy (buffer->device + offset, buffer->host + offset, size);
  return NPU_OK;
}

NpuFrameRing *
make_ring (uint32_t capacity)
{
  static char device;
  NpuFrameRing *ring;

  ck_assert_int_eq (npu_ring_create ((NpuDevice *) & device, BANDS, capacity,
          &ring, NULL), NPU_OK);
  return ring;
}

const float *
device_row (const NpuView * view, uint32_t row)
{
  return (const float *) (view->buffer->device + view->offset +
      row * FRAME_SIZE);
}

float *
lease_row (NpuFrameRing * ring, const NpuRingLease * lease, uint32_t frame)
{
  return (float *) (npu_ring_slab (ring)->host + lease->offset +
      frame * FRAME_SIZE);
}

void
fill_row (float *row, float value)
{
  for (int band = 0; band < BANDS; band++)
    row[band] = value;
}
