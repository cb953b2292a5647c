/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The shared device, and the search for one in contexts.
 */
#include "gstnpudevice.h"

#include <string.h>

#include "device/device.h"
#include "gstnpustatus.h"

GST_DEBUG_CATEGORY_STATIC (gst_npu_device_debug);
#define GST_CAT_DEFAULT gst_npu_device_debug

#define ANY_DEVICE "auto"

struct _GstNpuDevice
{
  GstObject parent;

  NpuDevice *handle;
  gchar *settings;              /* as asked for; NULL where that is unknown */
};

G_DEFINE_TYPE_WITH_CODE (GstNpuDevice, gst_npu_device, GST_TYPE_OBJECT,
    GST_DEBUG_CATEGORY_INIT (gst_npu_device_debug, "npudevice", 0,
        "devices that elements share"));

static void
gst_npu_device_finalize (GObject * object)
{
  GstNpuDevice *self = GST_NPU_DEVICE (object);

  npu_device_unref (self->handle);
  g_free (self->settings);
  G_OBJECT_CLASS (gst_npu_device_parent_class)->finalize (object);
}

static void
gst_npu_device_class_init (GstNpuDeviceClass * class)
{
  G_OBJECT_CLASS (class)->finalize = gst_npu_device_finalize;
}

static void
gst_npu_device_init (GstNpuDevice * self)
{
}

/* Takes over both. */
static GstNpuDevice *
new_device (NpuDevice * handle, gchar * settings)
{
  GstNpuDevice *self = g_object_new (GST_TYPE_NPU_DEVICE, NULL);

  gst_object_ref_sink (self);
  self->handle = handle;
  self->settings = settings;
  GST_INFO_OBJECT (self, "%s", npu_device_info (handle)->description);
  return self;
}

GstNpuDevice *
gst_npu_device_new (const gchar * name, guint threads, const gchar * settings,
    GError ** error)
{
  const NpuDeviceOptions options = {
    .threads = threads,
    .settings = settings && *settings ? settings : NULL,
  };
  NpuError reason = { 0 };
  NpuDevice *handle;

  if (npu_device_open (name, &options, &handle, &reason) != NPU_OK) {
    g_set_error_literal (error, GST_RESOURCE_ERROR,
        gst_npu_status_to_resource_error (reason.status), reason.message);
    return NULL;
  }
  return new_device (handle, g_strdup (settings ? settings : ""));
}

GstNpuDevice *
gst_npu_device_wrap (NpuDevice * handle)
{
  g_return_val_if_fail (handle != NULL, NULL);

  return new_device (npu_device_ref (handle), NULL);
}

NpuDevice *
gst_npu_device_get_handle (GstNpuDevice * device)
{
  g_return_val_if_fail (GST_IS_NPU_DEVICE (device), NULL);
  return device->handle;
}

const gchar *
gst_npu_device_get_name (GstNpuDevice * device)
{
  g_return_val_if_fail (GST_IS_NPU_DEVICE (device), NULL);
  return npu_device_info (device->handle)->name;
}

const gchar *
gst_npu_device_get_description (GstNpuDevice * device)
{
  g_return_val_if_fail (GST_IS_NPU_DEVICE (device), NULL);
  return npu_device_info (device->handle)->description;
}

gboolean
gst_npu_device_is_emulated (GstNpuDevice * device)
{
  g_return_val_if_fail (GST_IS_NPU_DEVICE (device), FALSE);
  return npu_device_info (device->handle)->emulated;
}

/* ------------------------------------------------------------ contexts */

static GstContext *
new_context (GstNpuDevice * device, gboolean persistent)
{
  GstContext *context =
      gst_context_new (GST_NPU_DEVICE_CONTEXT_TYPE, persistent);

  gst_structure_set (gst_context_writable_structure (context),
      "device", GST_TYPE_NPU_DEVICE, device, NULL);
  return context;
}

GstContext *
gst_context_new_npu_device (GstNpuDevice * device)
{
  g_return_val_if_fail (GST_IS_NPU_DEVICE (device), NULL);

  return new_context (device, TRUE);
}

gboolean
gst_context_get_npu_device (GstContext * context, GstNpuDevice ** device)
{
  g_return_val_if_fail (GST_IS_CONTEXT (context), FALSE);
  g_return_val_if_fail (device != NULL, FALSE);

  return gst_context_has_context_type (context, GST_NPU_DEVICE_CONTEXT_TYPE)
      && gst_structure_get (gst_context_get_structure (context),
      "device", GST_TYPE_NPU_DEVICE, device, NULL) && *device;
}

/* What an element asks for, and what was found. */
typedef struct
{
  const gchar *name;
  guint threads;
  const gchar *settings;
  GstNpuDevice *found;
} Search;

static gboolean
fits (GstNpuDevice * device, const Search * search)
{
  const NpuDeviceInfo *info = npu_device_info (device->handle);

  return (strcmp (search->name, ANY_DEVICE) == 0
      || strcmp (search->name, info->name) == 0)
      && (search->threads == 0 || search->threads == info->threads)
      && (!search->settings || !*search->settings
      || g_strcmp0 (search->settings, device->settings) == 0);
}

/* Takes the device of @context, which may be NULL, where it fits. */
static gboolean
take_from_context (GstContext * context, Search * search)
{
  GstNpuDevice *device = NULL;

  if (!context || !gst_context_get_npu_device (context, &device))
    return FALSE;
  if (fits (device, search))
    search->found = device;
  else
    gst_object_unref (device);
  return search->found != NULL;
}

static gboolean
take_own_context (GstElement * element, Search * search)
{
  GstContext *context =
      gst_element_get_context (element, GST_NPU_DEVICE_CONTEXT_TYPE);
  gboolean taken = take_from_context (context, search);

  if (context)
    gst_context_unref (context);
  return taken;
}

/* Stops at the first neighbour that has one that fits. */
static gboolean
ask_neighbour (GstElement * element, GstPad * pad, gpointer data)
{
  GstQuery *query = gst_query_new_context (GST_NPU_DEVICE_CONTEXT_TYPE);
  GstContext *context = NULL;
  Search *search = data;

  if (gst_pad_peer_query (pad, query))
    gst_query_parse_context (query, &context);
  if (take_from_context (context, search)) {
    GST_DEBUG_OBJECT (pad, "the neighbour shares %" GST_PTR_FORMAT,
        search->found);
    gst_element_set_context (element, context);
  }
  gst_query_unref (query);
  return search->found == NULL;
}

/* An application answers with gst_element_set_context(), a bin as well. */
static gboolean
ask_application (GstElement * element, Search * search)
{
  gst_element_post_message (element,
      gst_message_new_need_context (GST_OBJECT (element),
          GST_NPU_DEVICE_CONTEXT_TYPE));
  return take_own_context (element, search);
}

static gboolean
find_shared (GstElement * element, Search * search)
{
  if (take_own_context (element, search))
    return TRUE;
  gst_element_foreach_src_pad (element, ask_neighbour, search);
  if (!search->found)
    gst_element_foreach_sink_pad (element, ask_neighbour, search);
  return search->found || ask_application (element, search);
}

static gboolean
open_own (GstElement * element, Search * search)
{
  GError *error = NULL;
  GstContext *context;

  search->found = gst_npu_device_new (search->name, search->threads,
      search->settings, &error);
  if (!search->found) {
    gst_element_message_full (element, GST_MESSAGE_ERROR, error->domain,
        error->code, g_strdup (error->message), NULL, __FILE__, GST_FUNCTION,
        __LINE__);
    g_error_free (error);
    return FALSE;
  }
  /* elements forget it in NULL: a device that was lost can be opened again */
  context = new_context (search->found, FALSE);
  gst_element_set_context (element, context);
  gst_element_post_message (element,
      gst_message_new_have_context (GST_OBJECT (element), context));
  return TRUE;
}

gboolean
gst_npu_ensure_element_device (GstElement * element, const gchar * name,
    guint threads, const gchar * settings, GstNpuDevice ** device)
{
  Search search = { name ? name : ANY_DEVICE, threads, settings, NULL };
  GstNpuDevice *old;

  g_return_val_if_fail (GST_IS_ELEMENT (element), FALSE);
  g_return_val_if_fail (device != NULL, FALSE);

  GST_OBJECT_LOCK (element);
  if (*device && fits (*device, &search))
    search.found = gst_object_ref (*device);
  GST_OBJECT_UNLOCK (element);
  if (!search.found && !find_shared (element, &search))
    open_own (element, &search);

  /* a context that came meanwhile may have set it */
  GST_OBJECT_LOCK (element);
  old = *device;
  *device = search.found;
  GST_OBJECT_UNLOCK (element);
  gst_clear_object (&old);
  return search.found != NULL;
}

gboolean
gst_npu_handle_set_context (GstElement * element, GstContext * context,
    GstNpuDevice ** device)
{
  GstNpuDevice *found = NULL;

  g_return_val_if_fail (GST_IS_ELEMENT (element), FALSE);
  g_return_val_if_fail (device != NULL, FALSE);

  if (!context || !gst_context_get_npu_device (context, &found))
    return FALSE;
  GST_OBJECT_LOCK (element);
  if (!*device)
    *device = g_steal_pointer (&found);
  GST_OBJECT_UNLOCK (element);
  gst_clear_object (&found);
  return TRUE;
}

gboolean
gst_npu_handle_context_query (GstElement * element, GstQuery * query,
    GstNpuDevice * device)
{
  const gchar *type;
  GstContext *context;

  g_return_val_if_fail (GST_IS_ELEMENT (element), FALSE);
  g_return_val_if_fail (GST_IS_QUERY (query), FALSE);

  if (GST_QUERY_TYPE (query) != GST_QUERY_CONTEXT || !device)
    return FALSE;
  gst_query_parse_context_type (query, &type);
  if (strcmp (type, GST_NPU_DEVICE_CONTEXT_TYPE) != 0)
    return FALSE;
  context = new_context (device, FALSE);
  gst_query_set_context (query, context);
  gst_context_unref (context);
  GST_DEBUG_OBJECT (element, "shares %" GST_PTR_FORMAT, device);
  return TRUE;
}
