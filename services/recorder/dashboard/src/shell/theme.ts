import { createTheme } from "@mantine/core";

/**
 * The theme keeps Mantine's defaults: other values would need a style element, which the page's
 * Content Security Policy forbids. So do responsive style props and scroll lock; colours are in
 * base.css.
 */
export const theme = createTheme({
  components: {
    Modal: { defaultProps: { lockScroll: false, closeButtonProps: { "aria-label": "Close" } } },
    Drawer: { defaultProps: { lockScroll: false, closeButtonProps: { "aria-label": "Close" } } },
    // The placeholder would be a menu item without a name, and a list without focusable items.
    Menu: { defaultProps: { withInitialFocusPlaceholder: false } },
    Select: { defaultProps: { maxDropdownHeight: 360 } },
    Notification: {
      defaultProps: { closeButtonProps: { "aria-label": "Dismiss" } },
      styles: { description: { color: "var(--mantine-color-dimmed)" } },
    },
  },
});
