/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For the tests of libgstnpu: every device there is, and a look at what a
 * device has in a buffer, past all that is tested. Where host and device share
 * memory that is what the host has.
 */
#ifndef LIB_FIXTURE_H
#define LIB_FIXTURE_H

#include <gst/check/gstcheck.h>

#include "gst/lib/gstnpu.h"

/* For tcase_add_loop_test(): the number of devices. */
gint lib_device_count (void);

/* Opens the device of this number; (transfer full). */
GstNpuDevice *lib_device_open (gint number);

/* Opens the emulated NPU after it was lost; (transfer full). */
GstNpuDevice *lib_device_open_lost (GstAllocator ** allocator,
    GstMemory ** memory, gsize size);

/* Whether host and device have copies of their own. */
gboolean lib_device_is_apart (GstNpuDevice * device);

/* What the device has, and what it writes; offsets are the buffer's. */
void lib_device_read (GstNpuMemory * memory, gsize offset, gsize size,
    guint8 * bytes);
void lib_device_write (GstNpuMemory * memory, gsize offset, gsize size,
    guint8 byte);

/* Fails where not all bytes are @byte. */
void lib_assert_bytes (const guint8 * bytes, gsize size, guint8 byte);

GstNpuMemoryCounts lib_counts (GstAllocator * allocator);

#endif
