/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Buffers of the emulated NPU: the host's copy and the device's, which nothing
 * but a sync connects. Whoever forgets one works on old data, zeros at first.
 */
#include "device/emu/emu.h"

#include <stdlib.h>

/* More is a mistake in somebody's arithmetic. */
#define BUFFER_MAX (UINT64_C (1) << 38)

/* Returns whether this request for a buffer is one that has the fault. */
static bool
is_out_of_memory (NpuEmuDevice * device)
{
  const NpuEmuSettings *settings = &device->settings;
  uint64_t number;

  pthread_mutex_lock (&device->lock);
  number = ++device->buffers;
  pthread_mutex_unlock (&device->lock);
  return settings->fault == NPU_EMU_FAULT_OOM && number >= settings->fault_at
      && number - settings->fault_at < settings->fault_count;
}

static void *
allocate_zeroed (size_t alignment, size_t size)
{
  void *memory;

  if (posix_memalign (&memory, alignment, size) != 0)
    return NULL;
  return memset (memory, 0, size);
}

NpuStatus
npu_emu_buffer_create (NpuDevice * base, size_t size, uint32_t group,
    NpuBuffer ** created, NpuError * error)
{
  NpuEmuDevice *device = (NpuEmuDevice *) base;
  size_t alignment = base->info.buffer_alignment;
  NpuStatus status = npu_emu_check_lost (device, error);
  NpuEmuBuffer *buffer;

  if (status != NPU_OK)
    return status;
  if (is_out_of_memory (device))
    return npu_error_set (error, NPU_ENOMEM, "emulated NPU: no device memory "
        "for a buffer of %zu bytes (the settings' fault=oom)", size);
  buffer = calloc (1, sizeof (*buffer));
  if (buffer && size <= BUFFER_MAX) {
    buffer->base.host = allocate_zeroed (alignment, size);
    buffer->memory = allocate_zeroed (alignment, size);
  }
  if (!buffer || !buffer->base.host || !buffer->memory) {
    if (buffer)
      npu_emu_buffer_destroy (&buffer->base);
    return npu_error_set (error, NPU_ENOMEM,
        "emulated NPU: no memory for a buffer of %zu bytes", size);
  }
  *created = &buffer->base;
  return NPU_OK;
}

void
npu_emu_buffer_destroy (NpuBuffer * base)
{
  NpuEmuBuffer *buffer = (NpuEmuBuffer *) base;

  free (buffer->base.host);
  free (buffer->memory);
  free (buffer);
}

NpuStatus
npu_emu_buffer_sync (NpuBuffer * base, NpuSyncDirection direction,
    size_t offset, size_t size)
{
  NpuEmuBuffer *buffer = (NpuEmuBuffer *) base;
  NpuEmuDevice *device = (NpuEmuDevice *) base->device;
  const NpuEmuSettings *settings = &device->settings;
  uint64_t cost = npu_emu_sync_cost (&settings->cost, direction, size);
  uint64_t started = npu_monotonic_now ();
  char *host = (char *) base->host + offset;
  char *memory = (char *) buffer->memory + offset;
  NpuStatus status = npu_emu_check_lost (device, NULL);

  if (status != NPU_OK)
    return status;
  if (direction == NPU_SYNC_TO_DEVICE)
    memcpy (memory, host, size);
  else
    memcpy (host, memory, size);
  /* The lock also orders this transfer before a list that wakes later: who
   * writes to a buffer in flight gives the list wrong data, but both accesses
   * stay defined as long as they do not meet. */
  pthread_mutex_lock (&device->lock);
  if (settings->virtual_time)
    device->host_ns += cost;
  pthread_mutex_unlock (&device->lock);
  if (!settings->virtual_time && cost > 0)
    npu_emu_sleep_until (started + cost);
  return NPU_OK;
}
