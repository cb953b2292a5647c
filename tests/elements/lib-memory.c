/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Device memory: what is transferred when, between which bytes; parts, copies
 * and locks. Most tests run over every device; where host and device have
 * copies of their own the data show what was moved, elsewhere the counters do.
 */
#include "lib-fixture.h"

#include "device/device.h"

#include <string.h>

#define SIZE 4096

/* Of random maps. */
#define ROUNDS 2000
#define RANDOM_SIZE 512

static GstNpuDevice *device;
static GstAllocator *allocator;
static GstMemory *memory;

static void
open_memory (gint number)
{
  device = lib_device_open (number);
  allocator = gst_npu_allocator_new (device);
  memory = gst_allocator_alloc (allocator, SIZE, NULL);
  fail_unless (memory != NULL);
}

/* Fails where the test left anything behind. */
static void
close_memory (void)
{
  if (memory)
    gst_memory_unref (memory);
  memory = NULL;
  fail_unless_equals_uint64 (lib_counts (allocator).live, 0);
  ASSERT_OBJECT_REFCOUNT (allocator, "allocator", 1);
  gst_object_unref (allocator);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}

static void
host_writes (GstMemory * mem, guint8 byte)
{
  GstMapInfo map;

  fail_unless (gst_memory_map (mem, &map, GST_MAP_WRITE));
  memset (map.data, byte, map.size);
  gst_memory_unmap (mem, &map);
}

static void
device_writes (GstMemory * mem, guint8 byte)
{
  GstMapInfo map;

  fail_unless (gst_memory_map (mem, &map, GST_MAP_WRITE | GST_MAP_NPU));
  lib_device_write (GST_NPU_MEMORY_CAST (mem),
      gst_npu_memory_get_offset (GST_NPU_MEMORY_CAST (mem)), map.size, byte);
  gst_memory_unmap (mem, &map);
}

static void
assert_host_reads (GstMemory * mem, guint8 byte)
{
  GstMapInfo map;

  fail_unless (gst_memory_map (mem, &map, GST_MAP_READ));
  lib_assert_bytes (map.data, map.size, byte);
  gst_memory_unmap (mem, &map);
}

static void
assert_device_reads (GstMemory * mem, guint8 byte)
{
  guint8 *bytes = g_malloc (mem->size);
  GstMapInfo map;

  fail_unless (gst_memory_map (mem, &map, GST_MAP_READ | GST_MAP_NPU));
  lib_device_read (GST_NPU_MEMORY_CAST (mem),
      gst_npu_memory_get_offset (GST_NPU_MEMORY_CAST (mem)), map.size, bytes);
  lib_assert_bytes (bytes, map.size, byte);
  gst_memory_unmap (mem, &map);
  g_free (bytes);
}

static void
assert_flags (GstMemory * mem, gboolean upload, gboolean download)
{
  fail_unless_equals_int (GST_MEMORY_FLAG_IS_SET (mem,
          GST_NPU_MEMORY_TRANSFER_NEED_UPLOAD), upload);
  fail_unless_equals_int (GST_MEMORY_FLAG_IS_SET (mem,
          GST_NPU_MEMORY_TRANSFER_NEED_DOWNLOAD), download);
}

/* ---------------------------------------------------------- transfers */

GST_START_TEST (memory_is_zeroed_and_aligned_as_the_device_wants_it)
{
  GstMapInfo map;
  gsize alignment;

  open_memory (__i__);
  alignment = npu_device_info (gst_npu_device_get_handle (device))->
      buffer_alignment;
  fail_unless (gst_is_npu_memory (memory));
  fail_unless (gst_memory_is_type (memory, GST_NPU_MEMORY_TYPE_NAME));
  fail_unless (gst_npu_memory_get_device (GST_NPU_MEMORY_CAST (memory)) ==
      device);
  fail_unless_equals_uint64 (memory->align, alignment - 1);
  fail_unless (gst_memory_map (memory, &map, GST_MAP_READ));
  fail_unless_equals_uint64 (map.size, SIZE);
  fail_unless_equals_uint64 ((guintptr) map.data % MAX (alignment, 64), 0);
  lib_assert_bytes (map.data, map.size, 0);
  gst_memory_unmap (memory, &map);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (what_the_host_wrote_is_moved_when_the_device_maps)
{
  GstNpuMemoryCounts counts;

  open_memory (__i__);
  host_writes (memory, 1);
  assert_flags (memory, TRUE, FALSE);
  fail_unless_equals_uint64 (lib_counts (allocator).uploads, 0);
  assert_device_reads (memory, 1);
  assert_flags (memory, FALSE, FALSE);
  assert_device_reads (memory, 1);
  counts = lib_counts (allocator);
  fail_unless_equals_uint64 (counts.uploads, 1);
  fail_unless_equals_uint64 (counts.uploaded_bytes, SIZE);
  fail_unless_equals_uint64 (counts.downloads, 0);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (what_the_device_wrote_is_moved_when_the_host_maps)
{
  GstNpuMemoryCounts counts;

  open_memory (__i__);
  device_writes (memory, 2);
  assert_flags (memory, FALSE, TRUE);
  fail_unless_equals_uint64 (lib_counts (allocator).downloads, 0);
  assert_host_reads (memory, 2);
  assert_flags (memory, FALSE, FALSE);
  assert_host_reads (memory, 2);
  counts = lib_counts (allocator);
  fail_unless_equals_uint64 (counts.downloads, 1);
  fail_unless_equals_uint64 (counts.downloaded_bytes, SIZE);
  fail_unless_equals_uint64 (counts.uploads, 0);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (a_map_for_reading_leaves_nothing_pending)
{
  open_memory (__i__);
  assert_host_reads (memory, 0);
  assert_device_reads (memory, 0);
  assert_flags (memory, FALSE, FALSE);
  fail_unless_equals_uint64 (lib_counts (allocator).uploads, 0);
  fail_unless_equals_uint64 (lib_counts (allocator).downloads, 0);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (only_bytes_that_were_written_are_moved)
{
  guint8 *host, bytes[SIZE];

  open_memory (__i__);
  host = npu_buffer_host (gst_npu_memory_get_buffer (GST_NPU_MEMORY_CAST
          (memory)));
  /* nobody says so, hence nobody moves it */
  memset (host, 9, SIZE);
  gst_memory_resize (memory, 100, 50);
  host_writes (memory, 3);
  gst_memory_resize (memory, -100, SIZE);

  fail_unless (gst_npu_memory_sync (GST_NPU_MEMORY_CAST (memory), NULL));
  fail_unless_equals_uint64 (lib_counts (allocator).uploads, 1);
  fail_unless_equals_uint64 (lib_counts (allocator).uploaded_bytes, 50);
  lib_device_read (GST_NPU_MEMORY_CAST (memory), 0, SIZE, bytes);
  lib_assert_bytes (bytes + 100, 50, 3);
  if (lib_device_is_apart (device)) {
    lib_assert_bytes (bytes, 100, 0);
    lib_assert_bytes (bytes + 150, SIZE - 150, 0);
  }
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (a_map_moves_what_it_covers_and_leaves_the_rest_pending)
{
  guint8 bytes[SIZE];

  open_memory (__i__);
  host_writes (memory, 4);
  gst_memory_resize (memory, 1000, 24);
  assert_device_reads (memory, 4);
  fail_unless_equals_uint64 (lib_counts (allocator).uploaded_bytes, 24);
  assert_flags (memory, TRUE, FALSE);
  gst_memory_resize (memory, -1000, SIZE);
  if (lib_device_is_apart (device)) {
    lib_device_read (GST_NPU_MEMORY_CAST (memory), 0, SIZE, bytes);
    lib_assert_bytes (bytes, 1000, 0);
    lib_assert_bytes (bytes + 1024, SIZE - 1024, 0);
  }
  assert_device_reads (memory, 4);
  fail_unless_equals_uint64 (lib_counts (allocator).uploaded_bytes, SIZE);
  fail_unless_equals_uint64 (lib_counts (allocator).uploads, 3);
  assert_flags (memory, FALSE, FALSE);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (what_both_sides_wrote_side_by_side_stays)
{
  GstMapInfo map;

  open_memory (__i__);
  device_writes (memory, 5);
  gst_memory_resize (memory, 1000, 24);
  host_writes (memory, 6);
  gst_memory_resize (memory, -1000, SIZE);
  assert_flags (memory, TRUE, TRUE);

  fail_unless (gst_memory_map (memory, &map, GST_MAP_READ));
  lib_assert_bytes (map.data, 1000, 5);
  lib_assert_bytes (map.data + 1000, 24, 6);
  lib_assert_bytes (map.data + 1024, SIZE - 1024, 5);
  gst_memory_unmap (memory, &map);
  assert_flags (memory, TRUE, FALSE);
  gst_memory_resize (memory, 1000, 24);
  assert_device_reads (memory, 6);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (a_sync_moves_in_both_directions)
{
  GstNpuMemoryCounts counts;

  open_memory (__i__);
  device_writes (memory, 7);
  gst_memory_resize (memory, 0, 64);
  host_writes (memory, 8);
  gst_memory_resize (memory, 0, SIZE);
  fail_unless (gst_npu_memory_sync (GST_NPU_MEMORY_CAST (memory), NULL));
  assert_flags (memory, FALSE, FALSE);
  counts = lib_counts (allocator);
  fail_unless_equals_uint64 (counts.uploaded_bytes, 64);
  /* the first bytes went to the host before it wrote them */
  fail_unless_equals_uint64 (counts.downloaded_bytes, SIZE);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (a_memory_resized_while_mapped_moves_what_was_mapped)
{
  GstMapInfo map;

  open_memory (__i__);
  fail_unless (gst_memory_map (memory, &map, GST_MAP_WRITE));
  memset (map.data, 1, map.size);
  gst_memory_resize (memory, 0, 16);
  gst_memory_unmap (memory, &map);
  gst_memory_resize (memory, 0, SIZE);
  assert_device_reads (memory, 1);
  fail_unless_equals_uint64 (lib_counts (allocator).uploaded_bytes, SIZE);
  close_memory ();
}

GST_END_TEST;

/* Which side lacks a byte that the other wrote. */
typedef enum
{
  AGREED,
  DEVICE_LACKS,
  HOST_LACKS
} Lack;

/* Counts what a map of these bytes has to move, which then is agreed on. */
static guint64
settle (guint8 * lacks, gsize size, Lack lack)
{
  guint64 moved = 0;
  gsize i;

  for (i = 0; i < size; i++) {
    if (lacks[i] == lack) {
      lacks[i] = AGREED;
      moved++;
    }
  }
  return moved;
}

/* Compared with a table that says of each byte who lacks it. */
GST_START_TEST (any_order_of_maps_moves_exactly_what_the_other_side_lacks)
{
  guint8 truth[RANDOM_SIZE] = { 0 }, lacks[RANDOM_SIZE] = { AGREED };
  guint8 bytes[RANDOM_SIZE];
  guint64 uploaded = 0, downloaded = 0;
  guint32 seed = g_random_int ();
  GRand *random = g_rand_new_with_seed (seed);
  gint round;

  g_print ("seed %u\n", seed);
  open_memory (__i__);
  gst_memory_resize (memory, 0, RANDOM_SIZE);
  for (round = 0; round < ROUNDS; round++) {
    gsize start = g_rand_int_range (random, 0, RANDOM_SIZE);
    gsize size = g_rand_int_range (random, 1, 1 + MIN (64,
            RANDOM_SIZE - start));
    gboolean by_device = g_rand_boolean (random);
    gboolean write = g_rand_boolean (random);
    guint8 byte = g_rand_int (random);

    gst_memory_resize (memory, start, size);
    if (by_device)
      uploaded += settle (lacks + start, size, DEVICE_LACKS);
    else
      downloaded += settle (lacks + start, size, HOST_LACKS);
    if (write) {
      if (by_device)
        device_writes (memory, byte);
      else
        host_writes (memory, byte);
      memset (truth + start, byte, size);
      memset (lacks + start, by_device ? HOST_LACKS : DEVICE_LACKS, size);
    } else {
      GstMapInfo map;

      fail_unless (gst_memory_map (memory, &map, GST_MAP_READ | (by_device ?
                  GST_MAP_NPU : 0)));
      if (by_device)
        lib_device_read (GST_NPU_MEMORY_CAST (memory), start, size, bytes);
      else
        memcpy (bytes, map.data, size);
      gst_memory_unmap (memory, &map);
      fail_unless (memcmp (bytes, truth + start, size) == 0,
          "seed %u: wrong data in round %d", seed, round);
    }
    gst_memory_resize (memory, -(gssize) start, RANDOM_SIZE);
    fail_unless (lib_counts (allocator).uploaded_bytes == uploaded
        && lib_counts (allocator).downloaded_bytes == downloaded,
        "seed %u: too much or too little was moved in round %d", seed, round);
  }
  g_rand_free (random);
  close_memory ();
}

GST_END_TEST;

/* ----------------------------------------------------- parts and copies */

GST_START_TEST (a_part_finds_what_is_pending_on_the_whole)
{
  GstMemory *part;

  open_memory (__i__);
  device_writes (memory, 3);
  part = gst_memory_share (memory, 512, 256);
  fail_unless (gst_npu_memory_get_buffer (GST_NPU_MEMORY_CAST (part)) ==
      gst_npu_memory_get_buffer (GST_NPU_MEMORY_CAST (memory)));
  fail_unless_equals_uint64 (gst_npu_memory_get_offset (GST_NPU_MEMORY_CAST
          (part)), 512);
  assert_host_reads (part, 3);
  fail_unless_equals_uint64 (lib_counts (allocator).downloaded_bytes, 256);
  assert_flags (memory, FALSE, TRUE);
  assert_host_reads (memory, 3);
  fail_unless_equals_uint64 (lib_counts (allocator).downloaded_bytes, SIZE);
  fail_unless_equals_uint64 (lib_counts (allocator).shared, 1);
  fail_unless_equals_uint64 (lib_counts (allocator).allocated, 1);
  gst_memory_unref (part);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (a_part_of_a_part_lives_without_the_others)
{
  GstMemory *part, *smaller;

  open_memory (__i__);
  host_writes (memory, 6);
  part = gst_memory_share (memory, 512, -1);
  fail_unless_equals_uint64 (part->size, SIZE - 512);
  smaller = gst_memory_share (part, 512, 64);
  gst_memory_unref (part);
  gst_memory_unref (memory);
  memory = NULL;
  fail_unless_equals_uint64 (gst_npu_memory_get_offset (GST_NPU_MEMORY_CAST
          (smaller)), 1024);
  assert_device_reads (smaller, 6);
  fail_unless_equals_uint64 (lib_counts (allocator).uploaded_bytes, 64);
  gst_memory_unref (smaller);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (neither_a_part_nor_the_buffer_it_is_part_of_can_be_written)
{
  GstBuffer *buffer = gst_buffer_new ();
  GstMemory *part;
  GstMapInfo map;

  open_memory (__i__);
  gst_buffer_append_memory (buffer, gst_memory_ref (memory));
  part = gst_memory_share (memory, 0, 64);
  fail_if (gst_memory_map (part, &map, GST_MAP_WRITE));
  fail_if (gst_memory_map (part, &map, GST_MAP_WRITE | GST_MAP_NPU));
  fail_if (gst_memory_map (memory, &map, GST_MAP_WRITE));
  fail_if (gst_buffer_is_all_memory_writable (buffer));
  gst_memory_unref (part);
  fail_unless (gst_buffer_is_all_memory_writable (buffer));
  host_writes (memory, 1);
  gst_buffer_unref (buffer);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (read_only_memory_is_not_mapped_for_writing)
{
  GstAllocationParams params = {.flags = GST_MEMORY_FLAG_READONLY };
  GstMemory *fixed, *copy;
  GstMapInfo map;

  open_memory (__i__);
  fixed = gst_allocator_alloc (allocator, 64, &params);
  fail_if (gst_memory_map (fixed, &map, GST_MAP_WRITE));
  fail_if (gst_memory_map (fixed, &map, GST_MAP_WRITE | GST_MAP_NPU));
  fail_if (gst_memory_map (fixed, &map, GST_MAP_READWRITE));
  assert_host_reads (fixed, 0);
  assert_device_reads (fixed, 0);
  copy = gst_memory_copy (fixed, 0, -1);
  host_writes (copy, 1);
  gst_memory_unref (copy);
  gst_memory_unref (fixed);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (a_copy_has_what_the_device_wrote_and_a_buffer_of_its_own)
{
  GstMemory *copy;

  open_memory (__i__);
  device_writes (memory, 7);
  copy = gst_memory_copy (memory, 0, -1);
  fail_unless (gst_is_npu_memory (copy));
  fail_unless (gst_npu_memory_get_buffer (GST_NPU_MEMORY_CAST (copy)) !=
      gst_npu_memory_get_buffer (GST_NPU_MEMORY_CAST (memory)));
  device_writes (memory, 8);
  assert_host_reads (copy, 7);
  assert_device_reads (copy, 7);
  assert_host_reads (memory, 8);
  fail_unless_equals_uint64 (lib_counts (allocator).copied, 1);
  fail_unless_equals_uint64 (lib_counts (allocator).allocated, 2);
  gst_memory_unref (copy);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (a_copy_of_a_range_has_that_range)
{
  GstMemory *copy;

  open_memory (__i__);
  gst_memory_resize (memory, 100, 50);
  host_writes (memory, 9);
  gst_memory_resize (memory, -100, SIZE);
  copy = gst_memory_copy (memory, 100, 50);
  fail_unless_equals_uint64 (copy->size, 50);
  assert_host_reads (copy, 9);
  gst_memory_unref (copy);
  copy = gst_memory_copy (memory, 4000, -1);
  fail_unless_equals_uint64 (copy->size, SIZE - 4000);
  assert_host_reads (copy, 0);
  gst_memory_unref (copy);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (parts_side_by_side_are_a_span)
{
  GstMemory *other, *parts[4];
  gsize offset = 0;

  open_memory (__i__);
  other = gst_allocator_alloc (allocator, SIZE, NULL);
  gst_memory_resize (memory, 64, SIZE - 64);
  parts[0] = gst_memory_share (memory, 100, 50);
  parts[1] = gst_memory_share (memory, 150, 10);
  parts[2] = gst_memory_share (memory, 161, 10);
  parts[3] = gst_memory_share (other, 150, 10);
  fail_unless (gst_memory_is_span (parts[0], parts[1], &offset));
  fail_unless_equals_uint64 (offset, 100);
  fail_if (gst_memory_is_span (parts[1], parts[0], &offset));
  fail_if (gst_memory_is_span (parts[1], parts[2], &offset));
  fail_if (gst_memory_is_span (parts[0], parts[3], &offset));
  fail_if (gst_memory_is_span (memory, parts[0], &offset));
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    gst_memory_unref (parts[i]);
  gst_memory_unref (other);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (a_buffer_of_parts_side_by_side_is_mapped_without_a_copy)
{
  GstBuffer *buffer = gst_buffer_new ();
  GstMapInfo map;

  open_memory (__i__);
  host_writes (memory, 5);
  gst_buffer_append_memory (buffer, gst_memory_share (memory, 0, 100));
  gst_buffer_append_memory (buffer, gst_memory_share (memory, 100, 28));
  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  fail_unless_equals_uint64 (map.size, 128);
  fail_unless (map.data == npu_buffer_host (gst_npu_memory_get_buffer
          (GST_NPU_MEMORY_CAST (memory))));
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
  fail_unless_equals_uint64 (lib_counts (allocator).allocated, 1);
  close_memory ();
}

GST_END_TEST;

/* --------------------------------------------------------- allocation */

static void
count_call (gpointer data)
{
  ++*(gint *) data;
}

static void
count_other (gpointer data)
{
}

GST_START_TEST (the_owner_hears_once_that_memory_and_parts_are_gone)
{
  NpuBuffer *buffer;
  GstMemory *wrapped, *part;
  gint calls = 0;

  open_memory (__i__);
  fail_unless_equals_int (npu_buffer_create (gst_npu_device_get_handle
          (device), SIZE, 0, &buffer, NULL), NPU_OK);
  wrapped = gst_npu_allocator_wrap (GST_NPU_ALLOCATOR (allocator), buffer, 64,
      128, count_call, &calls);
  npu_buffer_unref (buffer);
  fail_unless_equals_uint64 (lib_counts (allocator).wrapped, 1);
  fail_unless_equals_uint64 (gst_npu_memory_get_offset (GST_NPU_MEMORY_CAST
          (wrapped)), 64);
  fail_unless (gst_npu_memory_get_user_data (GST_NPU_MEMORY_CAST (wrapped),
          count_call) == &calls);
  fail_unless (gst_npu_memory_get_user_data (GST_NPU_MEMORY_CAST (wrapped),
          count_other) == NULL);
  part = gst_memory_share (wrapped, 0, 16);
  host_writes (memory, 1);
  gst_memory_unref (wrapped);
  fail_unless_equals_int (calls, 0);
  assert_host_reads (part, 0);
  gst_memory_unref (part);
  fail_unless_equals_int (calls, 1);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (a_wrapped_range_moves_its_own_bytes)
{
  NpuBuffer *buffer;
  GstMemory *wrapped;
  guint8 bytes[SIZE];

  open_memory (__i__);
  fail_unless_equals_int (npu_buffer_create (gst_npu_device_get_handle
          (device), SIZE, 0, &buffer, NULL), NPU_OK);
  wrapped = gst_npu_allocator_wrap (GST_NPU_ALLOCATOR (allocator), buffer, 96,
      128, NULL, NULL);
  npu_buffer_unref (buffer);
  /* 96 is a multiple of 32, whatever the device aligns to */
  fail_unless_equals_uint64 (wrapped->align, 31);
  host_writes (wrapped, 2);
  assert_device_reads (wrapped, 2);
  lib_device_read (GST_NPU_MEMORY_CAST (wrapped), 0, SIZE, bytes);
  lib_assert_bytes (bytes, 96, 0);
  lib_assert_bytes (bytes + 96, 128, 2);
  lib_assert_bytes (bytes + 224, SIZE - 224, 0);
  gst_memory_unref (wrapped);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (prefix_and_padding_lie_around_the_memory)
{
  GstAllocationParams params = {.prefix = 128,.padding = 64 };
  GstMemory *padded;
  gsize offset, maxsize;

  open_memory (__i__);
  padded = gst_allocator_alloc (allocator, 100, &params);
  fail_unless_equals_uint64 (gst_memory_get_sizes (padded, &offset, &maxsize),
      100);
  fail_unless_equals_uint64 (offset, 128);
  fail_unless (maxsize >= 292);
  host_writes (padded, 1);
  gst_memory_unref (padded);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (an_alignment_beyond_the_devices_is_refused)
{
  GstAllocationParams params = {.align = (1 << 24) - 1 };

  open_memory (__i__);
  fail_unless (gst_allocator_alloc (allocator, 64, &params) == NULL);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (memory_holds_its_allocator_and_device)
{
  GstMemory *kept;

  open_memory (__i__);
  kept = gst_memory_ref (memory);
  gst_memory_unref (memory);
  gst_object_unref (allocator);
  gst_object_unref (device);
  host_writes (kept, 3);
  assert_device_reads (kept, 3);
  gst_memory_unref (kept);
  memory = NULL;
}

GST_END_TEST;

/* -------------------------------------------------------------- faults */

GST_START_TEST (a_map_fails_when_the_device_is_lost)
{
  GError *error = NULL;
  GstMapInfo map;

  device = lib_device_open_lost (&allocator, &memory, SIZE);
  /* nothing has to be moved for this */
  host_writes (memory, 1);
  fail_if (gst_memory_map (memory, &map, GST_MAP_READ | GST_MAP_NPU));
  fail_if (gst_npu_memory_sync (GST_NPU_MEMORY_CAST (memory), &error));
  fail_unless (g_error_matches (error, GST_RESOURCE_ERROR,
          GST_RESOURCE_ERROR_SYNC));
  g_error_free (error);
  assert_flags (memory, TRUE, FALSE);
  fail_unless_equals_uint64 (lib_counts (allocator).uploads, 0);
  assert_host_reads (memory, 1);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (what_the_device_wrote_before_it_was_lost_cannot_be_mapped)
{
  GstMapInfo map;
  GstMemory *copy;

  device = lib_device_open_lost (&allocator, &memory, SIZE);
  fail_unless (gst_memory_map (memory, &map, GST_MAP_WRITE | GST_MAP_NPU));
  gst_memory_unmap (memory, &map);
  assert_flags (memory, FALSE, TRUE);
  fail_if (gst_memory_map (memory, &map, GST_MAP_READ));
  fail_if (gst_memory_map (memory, &map, GST_MAP_WRITE));
  copy = gst_memory_copy (memory, 0, -1);
  fail_unless (copy == NULL);
  assert_flags (memory, FALSE, TRUE);
  close_memory ();
}

GST_END_TEST;

GST_START_TEST (a_device_without_memory_gives_none)
{
  device = gst_npu_device_new ("emu", 1, "fault=oom", NULL);
  allocator = gst_npu_allocator_new (device);
  fail_unless (gst_allocator_alloc (allocator, SIZE, NULL) == NULL);
  memory = gst_allocator_alloc (allocator, SIZE, NULL);
  fail_unless (memory != NULL);
  fail_unless_equals_uint64 (lib_counts (allocator).allocated, 1);
  close_memory ();
}

GST_END_TEST;

static Suite *
lib_memory_suite (void)
{
  Suite *suite = suite_create ("lib-memory");
  TCase *transfers = tcase_create ("transfers");
  TCase *parts = tcase_create ("parts and copies");
  TCase *allocation = tcase_create ("allocation");
  TCase *faults = tcase_create ("faults");
  gint devices = lib_device_count ();

  suite_add_tcase (suite, transfers);
#define ADD(tests, test) tcase_add_loop_test (tests, test, 0, devices)
  ADD (transfers, memory_is_zeroed_and_aligned_as_the_device_wants_it);
  ADD (transfers, what_the_host_wrote_is_moved_when_the_device_maps);
  ADD (transfers, what_the_device_wrote_is_moved_when_the_host_maps);
  ADD (transfers, a_map_for_reading_leaves_nothing_pending);
  ADD (transfers, only_bytes_that_were_written_are_moved);
  ADD (transfers, a_map_moves_what_it_covers_and_leaves_the_rest_pending);
  ADD (transfers, what_both_sides_wrote_side_by_side_stays);
  ADD (transfers, a_sync_moves_in_both_directions);
  ADD (transfers, a_memory_resized_while_mapped_moves_what_was_mapped);
  ADD (transfers, any_order_of_maps_moves_exactly_what_the_other_side_lacks);

  suite_add_tcase (suite, parts);
  ADD (parts, a_part_finds_what_is_pending_on_the_whole);
  ADD (parts, a_part_of_a_part_lives_without_the_others);
  ADD (parts, neither_a_part_nor_the_buffer_it_is_part_of_can_be_written);
  ADD (parts, read_only_memory_is_not_mapped_for_writing);
  ADD (parts, a_copy_has_what_the_device_wrote_and_a_buffer_of_its_own);
  ADD (parts, a_copy_of_a_range_has_that_range);
  ADD (parts, parts_side_by_side_are_a_span);
  ADD (parts, a_buffer_of_parts_side_by_side_is_mapped_without_a_copy);

  suite_add_tcase (suite, allocation);
  ADD (allocation, the_owner_hears_once_that_memory_and_parts_are_gone);
  ADD (allocation, a_wrapped_range_moves_its_own_bytes);
  ADD (allocation, prefix_and_padding_lie_around_the_memory);
  ADD (allocation, an_alignment_beyond_the_devices_is_refused);
  ADD (allocation, memory_holds_its_allocator_and_device);
#undef ADD

  suite_add_tcase (suite, faults);
  tcase_add_test (faults, a_map_fails_when_the_device_is_lost);
  tcase_add_test (faults,
      what_the_device_wrote_before_it_was_lost_cannot_be_mapped);
  tcase_add_test (faults, a_device_without_memory_gives_none);
  return suite;
}

GST_CHECK_MAIN (lib_memory);
