/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The plugin as a whole: it is found, says what it is, and its elements agree
 * on caps.
 */
#include <gst/check/gstcheck.h>

#include "gst/plugin/gstnpucaps.h"

GST_START_TEST (plugin_is_found_where_it_was_built)
{
  GstPlugin *plugin = gst_registry_find_plugin (gst_registry_get (), "npu");
  gchar *folder;

  fail_unless (plugin != NULL, "the registry does not know the plugin npu");
  folder = g_path_get_dirname (gst_plugin_get_filename (plugin));
  assert_equals_string (folder, NPU_PLUGIN_PATH);
  g_free (folder);
  gst_object_unref (plugin);
}

GST_END_TEST;

GST_START_TEST (plugin_declares_the_licence_of_fftw)
{
  GstPlugin *plugin = gst_registry_find_plugin (gst_registry_get (), "npu");

  fail_unless (plugin != NULL);
  assert_equals_string (gst_plugin_get_license (plugin), "GPL");
  gst_object_unref (plugin);
}

GST_END_TEST;

GST_START_TEST (mel_caps_of_both_sizes_fit_the_template)
{
  static const guint bands[] = { 80, 128 };
  GstCaps *template = gst_caps_from_string (GST_NPU_MEL_CAPS);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (bands); i++) {
    GstCaps *caps = gst_npu_mel_caps_new (bands[i]);
    guint found = 0;

    fail_unless (gst_caps_is_fixed (caps));
    fail_unless (gst_caps_is_subset (caps, template));
    fail_unless (gst_caps_can_intersect (template, caps));
    fail_unless (gst_npu_mel_caps_get_bands (caps, &found));
    fail_unless_equals_int (found, bands[i]);
    gst_caps_unref (caps);
  }
  gst_caps_unref (template);
}

GST_END_TEST;

GST_START_TEST (mel_caps_of_different_sizes_do_not_intersect)
{
  GstCaps *of_80 = gst_npu_mel_caps_new (80);
  GstCaps *of_128 = gst_npu_mel_caps_new (128);

  fail_if (gst_caps_can_intersect (of_80, of_128));
  gst_caps_unref (of_80);
  gst_caps_unref (of_128);
}

GST_END_TEST;

GST_START_TEST (caps_that_are_not_mel_frames_have_no_bands)
{
  static const gchar *const wrong[] = {
    "ANY", "EMPTY", "audio/x-raw",
    "tensor/strided, tensor-id=(string)log-mel",
    "tensor/strided, tensor-id=(string)states, dims=(int)<0,80>",
    "tensor/strided, tensor-id=(string)log-mel, dims=(int)80",
    "tensor/strided, tensor-id=(string)log-mel, dims=(int)<80>",
    "tensor/strided, tensor-id=(string)log-mel, dims=(int)<0,81>",
    "tensor/strided, tensor-id=(string)log-mel, dims=(int)<10,80>",
    "tensor/strided, tensor-id=(string)log-mel, dims=(int)<0,80,1>",
    "tensor/strided, tensor-id=(string)log-mel, dims=(int)<0,[1,80]>",
    "tensor/strided, tensor-id=(string)log-mel, dims=(string)<0,80>",
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (wrong); i++) {
    GstCaps *caps = gst_caps_from_string (wrong[i]);
    guint bands = 7;

    fail_unless (caps != NULL, "%s", wrong[i]);
    fail_if (gst_npu_mel_caps_get_bands (caps, &bands), "%s", wrong[i]);
    fail_unless_equals_int (bands, 7);
    gst_caps_unref (caps);
  }
}

GST_END_TEST;

static Suite *
plugin_suite (void)
{
  Suite *suite = suite_create ("plugin");
  TCase *tests = tcase_create ("general");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, plugin_is_found_where_it_was_built);
  tcase_add_test (tests, plugin_declares_the_licence_of_fftw);
  tcase_add_test (tests, mel_caps_of_both_sizes_fit_the_template);
  tcase_add_test (tests, mel_caps_of_different_sizes_do_not_intersect);
  tcase_add_test (tests, caps_that_are_not_mel_frames_have_no_bands);
  return suite;
}

GST_CHECK_MAIN (plugin);
