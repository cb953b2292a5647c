/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A device that elements and applications share: an object around the core's
 * device, and the GstContext that carries it.
 */
#ifndef GST_NPU_DEVICE_H
#define GST_NPU_DEVICE_H

#include "gstnpuprelude.h"

G_BEGIN_DECLS

/**
 * NpuDevice:
 * A device that is open; defined by libnpu-core, opaque here.
 */
typedef struct NpuDevice NpuDevice;

#define GST_TYPE_NPU_DEVICE (gst_npu_device_get_type ())
GST_NPU_API
G_DECLARE_FINAL_TYPE (GstNpuDevice, gst_npu_device, GST, NPU_DEVICE,
    GstObject)

/**
 * GST_NPU_DEVICE_CONTEXT_TYPE:
 * Type of the #GstContext that carries a #GstNpuDevice.
 */
#define GST_NPU_DEVICE_CONTEXT_TYPE "npu.device"

/**
 * gst_npu_device_new:
 * @name: "auto", "cpu", "emu"...
 * @threads: threads that compute on the CPU, 0 for all that there are
 * @settings: (nullable): what only this device knows, key=value,key=value
 * @error: (nullable): what was wrong, with a remedy
 *
 * Opens a device. The same request gives the same device underneath.
 *
 * Returns: (transfer full) (nullable): the device
 */
GST_NPU_API
GstNpuDevice *gst_npu_device_new (const gchar * name, guint threads,
    const gchar * settings, GError ** error);

/**
 * gst_npu_device_wrap:
 * @handle: a device that the core opened; a reference is taken
 *
 * For an application that has a device already. Elements that ask for settings
 * of their own open another, since nobody can tell what @handle was opened
 * with.
 *
 * Returns: (transfer full): the device
 */
GST_NPU_API
GstNpuDevice *gst_npu_device_wrap (NpuDevice * handle);

/**
 * gst_npu_device_get_handle:
 * @device: a device
 *
 * Returns: (transfer none): the core's device, which lives as long as @device
 */
GST_NPU_API
NpuDevice *gst_npu_device_get_handle (GstNpuDevice * device);

/**
 * gst_npu_device_get_name:
 * @device: a device
 *
 * Returns: (transfer none): what the device is called: "cpu", "emu"
 */
GST_NPU_API
const gchar *gst_npu_device_get_name (GstNpuDevice * device);

/**
 * gst_npu_device_get_description:
 * @device: a device
 *
 * Returns: (transfer none): what it is, for people
 */
GST_NPU_API
const gchar *gst_npu_device_get_description (GstNpuDevice * device);

/**
 * gst_npu_device_is_emulated:
 * @device: a device
 *
 * Returns: whether nothing that it measures is hardware's
 */
GST_NPU_API
gboolean gst_npu_device_is_emulated (GstNpuDevice * device);

/**
 * gst_context_new_npu_device:
 * @device: to be shared
 *
 * An application that gives this context to several pipelines with
 * gst_element_set_context() makes them use one device.
 *
 * Returns: (transfer full): a persistent context
 */
GST_NPU_API
GstContext *gst_context_new_npu_device (GstNpuDevice * device);

/**
 * gst_context_get_npu_device:
 * @context: any context
 * @device: (out) (transfer full): its device
 *
 * Returns: %FALSE when it carries none
 */
GST_NPU_API
gboolean gst_context_get_npu_device (GstContext * context,
    GstNpuDevice ** device);

/**
 * gst_npu_ensure_element_device:
 * @element: that needs a device
 * @name: as for gst_npu_device_new(); "auto" is content with any that is shared
 * @threads: 0 is content with any number
 * @settings: (nullable): empty is content with any
 * @device: (inout) (transfer full): a device that @element has, or %NULL
 *
 * Looks for a shared device that fits: what @element has already or was given
 * as a context, then what its neighbours have, downstream first, then what the
 * application answers to a NEED_CONTEXT message. Where there is none a device
 * is opened and announced by a HAVE_CONTEXT message. Not with @element's object
 * lock held, under which @device is read and written.
 *
 * Returns: %FALSE when no device could be opened; then an error was posted, and
 *     @device is %NULL
 */
GST_NPU_API
gboolean gst_npu_ensure_element_device (GstElement * element,
    const gchar * name, guint threads, const gchar * settings,
    GstNpuDevice ** device);

/**
 * gst_npu_handle_set_context:
 * @element: whose GstElementClass.set_context this is called from
 * @context: (nullable): any context
 * @device: (inout): where @element keeps its device, under its object lock
 *
 * Takes the device of @context where @element has none. Whether it is one that
 * @element wants is seen by gst_npu_ensure_element_device().
 *
 * Returns: whether @context carries a device
 */
GST_NPU_API
gboolean gst_npu_handle_set_context (GstElement * element,
    GstContext * context, GstNpuDevice ** device);

/**
 * gst_npu_handle_context_query:
 * @element: that was asked
 * @query: any query
 * @device: (nullable): that @element has
 *
 * Returns: whether @query asked for a device and was answered
 */
GST_NPU_API
gboolean gst_npu_handle_context_query (GstElement * element, GstQuery * query,
    GstNpuDevice * device);

G_END_DECLS

#endif
