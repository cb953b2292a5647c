/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Device buffers as GstMemory, and the allocator that makes them.
 */
#ifndef GST_NPU_MEMORY_H
#define GST_NPU_MEMORY_H

#include "gstnpudevice.h"

G_BEGIN_DECLS

/**
 * NpuBuffer:
 * A buffer of a device; defined by libnpu-core, opaque here.
 */
typedef struct NpuBuffer NpuBuffer;

typedef struct _GstNpuMemory GstNpuMemory;
typedef struct _GstNpuMemoryPrivate GstNpuMemoryPrivate;

#define GST_TYPE_NPU_ALLOCATOR (gst_npu_allocator_get_type ())
GST_NPU_API
G_DECLARE_FINAL_TYPE (GstNpuAllocator, gst_npu_allocator, GST, NPU_ALLOCATOR,
    GstAllocator)

#define GST_NPU_MEMORY_CAST(memory) ((GstNpuMemory *) (memory))

/**
 * GST_NPU_MEMORY_TYPE_NAME:
 * The type of memory that #GstNpuAllocator makes.
 */
#define GST_NPU_MEMORY_TYPE_NAME "NpuMemory"

/**
 * GST_MAP_NPU:
 * Map flag: the device is going to work on the memory. What the host wrote is
 * moved to the device when it is mapped; with %GST_MAP_WRITE, what the device
 * wrote is moved to the host when somebody maps it without this flag. The
 * host's address must not be used meanwhile.
 */
#define GST_MAP_NPU (GST_MAP_FLAG_LAST << 1)

/**
 * GstNpuMemoryTransfer:
 * @GST_NPU_MEMORY_TRANSFER_NEED_DOWNLOAD: the device wrote what the host lacks
 * @GST_NPU_MEMORY_TRANSFER_NEED_UPLOAD: the host wrote what the device lacks
 *
 * Flags of a #GstMemory that say that a transfer is pending, of some of it.
 */
typedef enum
{
  GST_NPU_MEMORY_TRANSFER_NEED_DOWNLOAD = (GST_MEMORY_FLAG_LAST << 0),
  GST_NPU_MEMORY_TRANSFER_NEED_UPLOAD = (GST_MEMORY_FLAG_LAST << 1),
} GstNpuMemoryTransfer;

/**
 * GstNpuMemory:
 *
 * A range of a device's buffer. Can be mapped as any memory; pending transfers
 * are made then, of the mapped range only.
 */
struct _GstNpuMemory
{
  GstMemory mem;

  /*< private > */
  GstNpuMemoryPrivate *priv;
  gpointer _gst_reserved[GST_PADDING];
};

/**
 * GstNpuMemoryCounts:
 * @allocated: memories with a device buffer of their own
 * @wrapped: memories around buffers that were there
 * @shared: parts of other memories
 * @copied: memories that are copies (they count as allocated too)
 * @live: of all these, how many exist
 * @uploads: transfers to the device
 * @downloads: transfers from the device
 *
 * What an allocator has done so far.
 */
typedef struct
{
  guint64 allocated;
  guint64 wrapped;
  guint64 shared;
  guint64 copied;
  guint64 live;
  guint64 uploads;
  guint64 downloads;
} GstNpuMemoryCounts;

/**
 * gst_npu_allocator_new:
 *
 * Returns: (transfer full): an allocator of @device's memory
 */
GST_NPU_API
GstAllocator *gst_npu_allocator_new (GstNpuDevice * device);

/**
 * gst_npu_allocator_wrap:
 * @buffer: of the allocator's device; a reference is taken
 * @offset: of the memory in @buffer, bytes
 * @size: of the memory, bytes
 * @notify: (nullable): called when the memory and all its parts are gone, from
 *     any thread
 * @user_data: for @notify
 *
 * Returns: (transfer full): memory around a range of @buffer
 */
GST_NPU_API
GstMemory *gst_npu_allocator_wrap (GstNpuAllocator * allocator,
    NpuBuffer * buffer, gsize offset, gsize size, GDestroyNotify notify,
    gpointer user_data);

/**
 * gst_npu_allocator_get_counts:
 * @counts: (out): what was done so far; any thread
 */
GST_NPU_API
void gst_npu_allocator_get_counts (GstNpuAllocator * allocator,
    GstNpuMemoryCounts * counts);

/**
 * gst_is_npu_memory:
 *
 * Returns: whether @memory is a #GstNpuMemory
 */
GST_NPU_API
gboolean gst_is_npu_memory (GstMemory * memory);

/**
 * gst_npu_memory_is_unshared:
 *
 * Returns: whether @memory is no part of another one, and nobody has it, or a
 *     part of it, but the one who asks
 */
GST_NPU_API
gboolean gst_npu_memory_is_unshared (GstMemory * memory);

/**
 * gst_npu_memory_get_buffer:
 *
 * Returns: (transfer none): the device's buffer that @memory lies in
 */
GST_NPU_API
NpuBuffer *gst_npu_memory_get_buffer (GstNpuMemory * memory);

/**
 * gst_npu_memory_get_offset:
 *
 * Returns: where in that buffer what @memory shows begins, bytes
 */
GST_NPU_API
gsize gst_npu_memory_get_offset (GstNpuMemory * memory);

/**
 * gst_npu_memory_get_user_data:
 *
 * Returns: (transfer none) (nullable): what gst_npu_allocator_wrap() was given;
 *     the same for all parts
 */
GST_NPU_API
gpointer gst_npu_memory_get_user_data (GstNpuMemory * memory);

/**
 * gst_npu_memory_sync:
 *
 * Makes the pending transfers of what @memory shows, in both directions.
 *
 * Returns: %FALSE when the device failed
 */
GST_NPU_API
gboolean gst_npu_memory_sync (GstNpuMemory * memory);

/**
 * gst_npu_memory_forget_transfers:
 *
 * Somebody else has moved the data of what @memory shows, or will: nothing is
 * pending any more.
 */
GST_NPU_API
void gst_npu_memory_forget_transfers (GstNpuMemory * memory);

G_END_DECLS

#endif
