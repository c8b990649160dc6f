import { createTheme } from "@mantine/core";

/**
 * Defaults are kept where they can be: Mantine then needs no style element, which the page's policy
 * forbids. For the same reason no responsive style props and no scroll lock are used; colours are
 * set in base.css.
 */
export const theme = createTheme({
  components: {
    Modal: { defaultProps: { lockScroll: false, closeButtonProps: { "aria-label": "Close" } } },
    Drawer: { defaultProps: { lockScroll: false, closeButtonProps: { "aria-label": "Close" } } },
    // Without what screen readers take for an item without a name, or a list without a way in.
    Menu: { defaultProps: { withInitialFocusPlaceholder: false } },
    Select: { defaultProps: { maxDropdownHeight: 360 } },
    Notification: {
      defaultProps: { closeButtonProps: { "aria-label": "Dismiss" } },
      styles: { description: { color: "var(--mantine-color-dimmed)" } },
    },
  },
});
