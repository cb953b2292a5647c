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
 * address that such a map gives is the host's and must not be used.
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
 * A range of a device's buffer, of which it holds a reference. It can be mapped
 * like any memory. Each byte that one side wrote and the other lacks is known:
 * a map transfers those of the mapped range that its side lacks, nothing else,
 * and fails when the device does. A map for writing counts as if all of its
 * size had been written when it ends; what it shows is up to date before, since
 * many writers write a part only.
 *
 * Parts (gst_memory_share()) are read-only and see what is pending through
 * their parent; a copy is writable memory with a buffer of its own.
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
 * @uploaded_bytes: in those
 * @downloads: transfers from the device
 * @downloaded_bytes: in those
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
  guint64 uploaded_bytes;
  guint64 downloads;
  guint64 downloaded_bytes;
} GstNpuMemoryCounts;

/**
 * gst_npu_allocator_new:
 * @device: whose memory it is
 *
 * gst_allocator_alloc() with this allocator makes memory with a buffer of its
 * own, zeroed and aligned as the device wants it; it fails when an alignment
 * beyond that is asked for, or the device has no memory.
 *
 * Returns: (transfer full): an allocator of @device's memory
 */
GST_NPU_API
GstAllocator *gst_npu_allocator_new (GstNpuDevice * device);

/**
 * gst_npu_allocator_wrap:
 * @allocator: the allocator
 * @buffer: of the allocator's device; a reference is taken
 * @offset: of the memory in @buffer, bytes
 * @size: of the memory, bytes
 * @notify: (nullable): called once, when the memory and all its parts are gone
 *     and their reference to @buffer with them; from any thread
 * @user_data: for @notify
 *
 * Host and device are taken to agree about the range's contents.
 *
 * Returns: (transfer full): memory around a range of @buffer
 */
GST_NPU_API
GstMemory *gst_npu_allocator_wrap (GstNpuAllocator * allocator,
    NpuBuffer * buffer, gsize offset, gsize size, GDestroyNotify notify,
    gpointer user_data);

/**
 * gst_npu_allocator_get_counts:
 * @allocator: the allocator
 * @counts: (out): what was done so far; any thread
 */
GST_NPU_API
void gst_npu_allocator_get_counts (GstNpuAllocator * allocator,
    GstNpuMemoryCounts * counts);

/**
 * gst_is_npu_memory:
 * @memory: (nullable): any memory
 *
 * Returns: whether @memory is a #GstNpuMemory
 */
GST_NPU_API
gboolean gst_is_npu_memory (GstMemory * memory);

/**
 * gst_npu_memory_is_unshared:
 * @memory: any memory
 *
 * Returns: whether @memory is no part of another one, and nobody has it, or a
 *     part of it, but the one who asks
 */
GST_NPU_API
gboolean gst_npu_memory_is_unshared (GstMemory * memory);

/**
 * gst_npu_memory_get_buffer:
 * @memory: device memory
 *
 * Returns: (transfer none): the device's buffer that @memory lies in
 */
GST_NPU_API
NpuBuffer *gst_npu_memory_get_buffer (GstNpuMemory * memory);

/**
 * gst_npu_memory_get_device:
 * @memory: device memory
 *
 * Returns: (transfer none): the device that @memory belongs to
 */
GST_NPU_API
GstNpuDevice *gst_npu_memory_get_device (GstNpuMemory * memory);

/**
 * gst_npu_memory_get_offset:
 * @memory: device memory
 *
 * Returns: where in that buffer what @memory shows begins, bytes
 */
GST_NPU_API
gsize gst_npu_memory_get_offset (GstNpuMemory * memory);

/**
 * gst_npu_memory_get_user_data:
 * @memory: device memory
 * @notify: what gst_npu_allocator_wrap() was given beside the data
 *
 * The function proves that the data are the caller's: everybody may wrap any
 * buffer.
 *
 * Returns: (transfer none) (nullable): what gst_npu_allocator_wrap() was given,
 *     the same for all parts; %NULL when it was given another @notify
 */
GST_NPU_API
gpointer gst_npu_memory_get_user_data (GstNpuMemory * memory,
    GDestroyNotify notify);

/**
 * gst_npu_memory_sync:
 * @memory: device memory
 * @error: (nullable): what the device said, with a remedy
 *
 * Makes the pending transfers of what @memory shows, in both directions. For
 * those who work on the buffer past gst_memory_map(). May block for the
 * transfer, as a map may.
 *
 * Returns: %FALSE when the device failed; what was not moved stays pending
 */
GST_NPU_API
gboolean gst_npu_memory_sync (GstNpuMemory * memory, GError ** error);

/**
 * gst_npu_memory_forget_transfers:
 * @memory: device memory
 *
 * Nothing of @memory's parent, of whatever range, is pending any more: somebody
 * else has moved it, or nobody will look at it again.
 */
GST_NPU_API
void gst_npu_memory_forget_transfers (GstNpuMemory * memory);

G_END_DECLS

#endif
