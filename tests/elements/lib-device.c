/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The device object, and how elements come to share one: from the application,
 * from a bin, from neighbours. The element here does what npuencoder does about
 * devices, and nothing else.
 */
#include "lib-fixture.h"

#include "device/device.h"

/* ------------------------------------------------ an element with a device */

typedef struct
{
  GstElement parent;

  GstNpuDevice *device;
  const gchar *wanted;          /* NULL: any */
  const gchar *settings;
} DeviceUser;

typedef GstElementClass DeviceUserClass;

static GType device_user_get_type (void);
G_DEFINE_TYPE (DeviceUser, device_user, GST_TYPE_ELEMENT);

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static gboolean
device_user_pad_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  DeviceUser *self = (DeviceUser *) parent;

  return gst_npu_handle_context_query (GST_ELEMENT (self), query,
      self->device) || gst_pad_query_default (pad, parent, query);
}

static void
device_user_set_context (GstElement * element, GstContext * context)
{
  gst_npu_handle_set_context (element, context,
      &((DeviceUser *) element)->device);
  GST_ELEMENT_CLASS (device_user_parent_class)->set_context (element, context);
}

static GstStateChangeReturn
device_user_change_state (GstElement * element, GstStateChange transition)
{
  DeviceUser *self = (DeviceUser *) element;
  GstStateChangeReturn result;

  if (transition == GST_STATE_CHANGE_NULL_TO_READY
      && !gst_npu_ensure_element_device (element, self->wanted, 0,
          self->settings, &self->device))
    return GST_STATE_CHANGE_FAILURE;
  result = GST_ELEMENT_CLASS (device_user_parent_class)->change_state (element,
      transition);
  if (transition == GST_STATE_CHANGE_READY_TO_NULL)
    gst_clear_object (&self->device);
  return result;
}

static void
device_user_dispose (GObject * object)
{
  gst_clear_object (&((DeviceUser *) object)->device);
  G_OBJECT_CLASS (device_user_parent_class)->dispose (object);
}

static void
device_user_class_init (DeviceUserClass * class)
{
  G_OBJECT_CLASS (class)->dispose = device_user_dispose;
  class->set_context = device_user_set_context;
  class->change_state = device_user_change_state;
  gst_element_class_add_static_pad_template (class, &sink_template);
  gst_element_class_add_static_pad_template (class, &src_template);
  gst_element_class_set_static_metadata (class, "Device user", "Generic",
      "Needs a device", "gst-npu");
}

static void
add_pad (DeviceUser * self, GstStaticPadTemplate * template,
    const gchar * name)
{
  GstPad *pad = gst_pad_new_from_static_template (template, name);

  gst_pad_set_query_function (pad, device_user_pad_query);
  gst_element_add_pad (GST_ELEMENT (self), pad);
}

static void
device_user_init (DeviceUser * self)
{
  add_pad (self, &sink_template, "sink");
  add_pad (self, &src_template, "src");
}

static DeviceUser *
new_user (const gchar * wanted)
{
  DeviceUser *user = g_object_new (device_user_get_type (), NULL);

  user->wanted = wanted;
  return user;
}

/* In no bin. */
static DeviceUser *
new_free_user (const gchar * wanted)
{
  return gst_object_ref_sink (new_user (wanted));
}

static GstStateChangeReturn
set_state (gpointer element, GstState state)
{
  return gst_element_set_state (GST_ELEMENT (element), state);
}

static void
free_user (gpointer user)
{
  set_state (user, GST_STATE_NULL);
  gst_object_unref (user);
}

/* --------------------------------------------------------------- object */

GST_START_TEST (a_device_says_what_it_is)
{
  GstNpuDevice *device = lib_device_open (__i__);
  const NpuDeviceInfo *info =
      npu_device_info (gst_npu_device_get_handle (device));

  assert_equals_string (gst_npu_device_get_name (device),
      npu_device_names ()[__i__]);
  assert_equals_string (gst_npu_device_get_name (device), info->name);
  assert_equals_string (gst_npu_device_get_description (device),
      info->description);
  fail_unless_equals_int (gst_npu_device_is_emulated (device), info->emulated);
  gst_object_unref (device);
}

GST_END_TEST;

GST_START_TEST (the_same_request_gives_the_same_device_underneath)
{
  GstNpuDevice *a = lib_device_open (__i__), *b = lib_device_open (__i__);

  fail_unless (gst_npu_device_get_handle (a) == gst_npu_device_get_handle (b));
  gst_object_unref (a);
  gst_object_unref (b);
}

GST_END_TEST;

GST_START_TEST (a_device_that_is_open_already_is_wrapped)
{
  GstNpuDevice *device;
  NpuDevice *handle;

  fail_unless_equals_int (npu_device_open ("cpu", NULL, &handle, NULL),
      NPU_OK);
  device = gst_npu_device_wrap (handle);
  npu_device_unref (handle);
  fail_unless (gst_npu_device_get_handle (device) == handle);
  assert_equals_string (gst_npu_device_get_name (device), "cpu");
  gst_object_unref (device);
}

GST_END_TEST;

GST_START_TEST (an_unknown_device_is_an_error_that_names_those_there_are)
{
  GError *error = NULL;

  fail_unless (gst_npu_device_new ("abacus", 0, NULL, &error) == NULL);
  fail_unless (g_error_matches (error, GST_RESOURCE_ERROR,
          GST_RESOURCE_ERROR_NOT_FOUND));
  fail_unless (strstr (error->message, "cpu") != NULL, "%s", error->message);
  g_error_free (error);
}

GST_END_TEST;

GST_START_TEST (settings_that_a_device_does_not_know_are_an_error)
{
  GError *error = NULL;

  fail_unless (gst_npu_device_new ("emu", 0, "beads=10", &error) == NULL);
  fail_unless (g_error_matches (error, GST_RESOURCE_ERROR,
          GST_RESOURCE_ERROR_SETTINGS));
  g_error_free (error);
}

GST_END_TEST;

/* ------------------------------------------------------------- contexts */

GST_START_TEST (a_context_carries_its_device)
{
  GstNpuDevice *device = lib_device_open (__i__), *found = NULL;
  GstContext *context = gst_context_new_npu_device (device);
  GstContext *other = gst_context_new ("npu.other", TRUE);

  fail_unless (gst_context_is_persistent (context));
  assert_equals_string (gst_context_get_context_type (context),
      GST_NPU_DEVICE_CONTEXT_TYPE);
  fail_unless (gst_context_get_npu_device (context, &found));
  fail_unless (found == device);
  gst_object_unref (found);
  fail_if (gst_context_get_npu_device (other, &found));
  gst_context_unref (context);
  gst_context_unref (other);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}

GST_END_TEST;

GST_START_TEST (an_element_alone_opens_a_device)
{
  DeviceUser *user = new_free_user (npu_device_names ()[__i__]);

  fail_unless_equals_int (set_state (user, GST_STATE_READY),
      GST_STATE_CHANGE_SUCCESS);
  fail_unless (user->device != NULL);
  assert_equals_string (gst_npu_device_get_name (user->device),
      npu_device_names ()[__i__]);
  free_user (user);
}

GST_END_TEST;

GST_START_TEST (a_device_that_cannot_be_opened_is_an_error_on_the_bus)
{
  DeviceUser *user = new_free_user ("abacus");
  GstBus *bus = gst_bus_new ();
  GstMessage *message;

  gst_element_set_bus (GST_ELEMENT (user), bus);
  fail_unless_equals_int (set_state (user, GST_STATE_READY),
      GST_STATE_CHANGE_FAILURE);
  fail_unless (user->device == NULL);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  fail_unless (message != NULL);
  gst_message_unref (message);
  gst_element_set_bus (GST_ELEMENT (user), NULL);
  gst_object_unref (bus);
  free_user (user);
}

GST_END_TEST;

GST_START_TEST (elements_of_a_pipeline_share_one_device)
{
  GstElement *pipeline = gst_pipeline_new (NULL);
  DeviceUser *a = new_user (npu_device_names ()[__i__]), *b = new_user (NULL);

  /* not linked: the bin tells them */
  gst_bin_add_many (GST_BIN (pipeline), GST_ELEMENT (a), GST_ELEMENT (b),
      NULL);
  set_state (a, GST_STATE_READY);
  set_state (b, GST_STATE_READY);
  fail_unless (a->device != NULL);
  fail_unless (a->device == b->device);
  free_user (pipeline);
}

GST_END_TEST;

GST_START_TEST (neighbours_share_one_device_in_both_directions)
{
  DeviceUser *a = new_free_user (NULL);
  DeviceUser *b = new_free_user (npu_device_names ()[__i__]);
  DeviceUser *c = new_free_user (NULL);

  fail_unless (gst_element_link_many (GST_ELEMENT (a), GST_ELEMENT (b),
          GST_ELEMENT (c), NULL));
  set_state (b, GST_STATE_READY);
  set_state (a, GST_STATE_READY);
  set_state (c, GST_STATE_READY);
  fail_unless (b->device != NULL);
  fail_unless (a->device == b->device);
  fail_unless (c->device == b->device);
  free_user (a);
  free_user (b);
  free_user (c);
}

GST_END_TEST;

GST_START_TEST (a_neighbour_that_does_not_fit_does_not_hide_one_that_does)
{
  DeviceUser *a = new_free_user ("emu"), *b = new_free_user ("emu");
  DeviceUser *c = new_free_user ("cpu");

  fail_unless (gst_element_link_many (GST_ELEMENT (a), GST_ELEMENT (b),
          GST_ELEMENT (c), NULL));
  set_state (a, GST_STATE_READY);
  set_state (c, GST_STATE_READY);
  set_state (b, GST_STATE_READY);
  fail_unless (b->device == a->device);
  free_user (a);
  free_user (b);
  free_user (c);
}

GST_END_TEST;

GST_START_TEST (every_neighbour_downstream_is_asked)
{
  DeviceUser *a = new_free_user ("emu"), *b = new_free_user ("cpu");
  DeviceUser *c = new_free_user ("emu");

  add_pad (a, &src_template, "src2");
  fail_unless (gst_element_link_pads (GST_ELEMENT (a), "src",
          GST_ELEMENT (b), "sink"));
  fail_unless (gst_element_link_pads (GST_ELEMENT (a), "src2",
          GST_ELEMENT (c), "sink"));
  set_state (b, GST_STATE_READY);
  set_state (c, GST_STATE_READY);
  set_state (a, GST_STATE_READY);
  fail_unless (a->device == c->device);
  free_user (a);
  free_user (b);
  free_user (c);
}

GST_END_TEST;

GST_START_TEST (pipelines_share_the_device_that_the_application_sets)
{
  GstNpuDevice *device = lib_device_open (__i__);
  GstContext *context = gst_context_new_npu_device (device);
  GstElement *pipelines[2];
  DeviceUser *users[2];

  for (guint i = 0; i < 2; i++) {
    pipelines[i] = gst_pipeline_new (NULL);
    gst_element_set_context (pipelines[i], context);
    users[i] = new_user (NULL);
    gst_bin_add (GST_BIN (pipelines[i]), GST_ELEMENT (users[i]));
    set_state (pipelines[i], GST_STATE_READY);
    fail_unless (users[i]->device == device);
  }
  /* and once more, after they gave it up */
  set_state (pipelines[0], GST_STATE_NULL);
  fail_unless (users[0]->device == NULL);
  set_state (pipelines[0], GST_STATE_READY);
  fail_unless (users[0]->device == device);
  for (guint i = 0; i < 2; i++)
    free_user (pipelines[i]);
  gst_context_unref (context);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}

GST_END_TEST;

static GstBusSyncReply
answer_need_context (GstBus * bus, GstMessage * message, gpointer context)
{
  const gchar *type;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_NEED_CONTEXT
      && gst_message_parse_context_type (message, &type)
      && g_str_equal (type, GST_NPU_DEVICE_CONTEXT_TYPE))
    gst_element_set_context (GST_ELEMENT (GST_MESSAGE_SRC (message)), context);
  gst_message_unref (message);
  return GST_BUS_DROP;
}

/* A pipeline whose application answers with @context. */
static GstElement *
new_answered_pipeline (GstContext * context, DeviceUser * user)
{
  GstElement *pipeline = gst_pipeline_new (NULL);
  GstBus *bus = gst_element_get_bus (pipeline);

  gst_bus_set_sync_handler (bus, answer_need_context, context, NULL);
  gst_object_unref (bus);
  gst_bin_add (GST_BIN (pipeline), GST_ELEMENT (user));
  return pipeline;
}

GST_START_TEST (an_application_answers_when_it_is_asked)
{
  GstNpuDevice *device = lib_device_open (__i__);
  GstContext *context = gst_context_new_npu_device (device);
  DeviceUser *user = new_user (NULL);
  GstElement *pipeline = new_answered_pipeline (context, user);

  set_state (pipeline, GST_STATE_READY);
  fail_unless (user->device == device);
  free_user (pipeline);
  gst_context_unref (context);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}

GST_END_TEST;

GST_START_TEST (a_device_of_another_name_is_not_taken)
{
  GstNpuDevice *device = gst_npu_device_new ("cpu", 1, NULL, NULL);
  GstContext *context = gst_context_new_npu_device (device);
  DeviceUser *user = new_user ("emu");
  GstElement *pipeline = new_answered_pipeline (context, user);

  set_state (pipeline, GST_STATE_READY);
  fail_unless (user->device != device);
  assert_equals_string (gst_npu_device_get_name (user->device), "emu");
  free_user (pipeline);
  gst_context_unref (context);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}

GST_END_TEST;

GST_START_TEST (a_device_is_taken_by_those_who_ask_for_its_settings)
{
  static const gchar *const asked[] = { NULL, "", "launch-us=7",
    "launch-us=8"
  };
  GstNpuDevice *device = gst_npu_device_new ("emu", 1, "launch-us=7", NULL);
  GstContext *context = gst_context_new_npu_device (device);

  for (guint i = 0; i < G_N_ELEMENTS (asked); i++) {
    DeviceUser *user = new_free_user ("emu");

    user->settings = asked[i];
    gst_element_set_context (GST_ELEMENT (user), context);
    set_state (user, GST_STATE_READY);
    fail_unless_equals_int (user->device == device, i < 3);
    free_user (user);
  }
  gst_context_unref (context);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}

GST_END_TEST;

GST_START_TEST (an_element_keeps_its_device_when_another_is_set)
{
  GstNpuDevice *device = lib_device_open (__i__), *first_device;
  GstContext *context = gst_context_new_npu_device (device);
  DeviceUser *user = new_free_user (NULL);

  set_state (user, GST_STATE_READY);
  first_device = user->device;
  gst_element_set_context (GST_ELEMENT (user), context);
  fail_unless (user->device == first_device);
  /* the next time it takes the one that was set */
  set_state (user, GST_STATE_NULL);
  set_state (user, GST_STATE_READY);
  fail_unless (user->device == device);
  free_user (user);
  gst_context_unref (context);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}

GST_END_TEST;

GST_START_TEST (a_query_for_another_context_is_not_answered)
{
  GstNpuDevice *device = lib_device_open (__i__);
  DeviceUser *user = new_free_user (NULL);
  GstQuery *query = gst_query_new_context ("gst.gl.GLDisplay");

  fail_if (gst_npu_handle_context_query (GST_ELEMENT (user), query, device));
  gst_query_unref (query);
  query = gst_query_new_context (GST_NPU_DEVICE_CONTEXT_TYPE);
  fail_if (gst_npu_handle_context_query (GST_ELEMENT (user), query, NULL));
  fail_unless (gst_npu_handle_context_query (GST_ELEMENT (user), query,
          device));
  gst_query_unref (query);
  query = gst_query_new_latency ();
  fail_if (gst_npu_handle_context_query (GST_ELEMENT (user), query, device));
  gst_query_unref (query);
  free_user (user);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}

GST_END_TEST;

static Suite *
lib_device_suite (void)
{
  Suite *suite = suite_create ("lib-device");
  TCase *object = tcase_create ("object");
  TCase *contexts = tcase_create ("contexts");
  gint devices = lib_device_count ();

  suite_add_tcase (suite, object);
#define ADD(tests, test) tcase_add_loop_test (tests, test, 0, devices)
  ADD (object, a_device_says_what_it_is);
  ADD (object, the_same_request_gives_the_same_device_underneath);
  tcase_add_test (object, a_device_that_is_open_already_is_wrapped);
  tcase_add_test (object,
      an_unknown_device_is_an_error_that_names_those_there_are);
  tcase_add_test (object, settings_that_a_device_does_not_know_are_an_error);

  suite_add_tcase (suite, contexts);
  ADD (contexts, a_context_carries_its_device);
  ADD (contexts, an_element_alone_opens_a_device);
  tcase_add_test (contexts,
      a_device_that_cannot_be_opened_is_an_error_on_the_bus);
  ADD (contexts, elements_of_a_pipeline_share_one_device);
  ADD (contexts, neighbours_share_one_device_in_both_directions);
  tcase_add_test (contexts,
      a_neighbour_that_does_not_fit_does_not_hide_one_that_does);
  tcase_add_test (contexts, every_neighbour_downstream_is_asked);
  ADD (contexts, pipelines_share_the_device_that_the_application_sets);
  ADD (contexts, an_application_answers_when_it_is_asked);
  tcase_add_test (contexts, a_device_of_another_name_is_not_taken);
  tcase_add_test (contexts,
      a_device_is_taken_by_those_who_ask_for_its_settings);
  ADD (contexts, an_element_keeps_its_device_when_another_is_set);
  ADD (contexts, a_query_for_another_context_is_not_answered);
#undef ADD
  return suite;
}

GST_CHECK_MAIN (lib_device);
