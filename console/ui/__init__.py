"""The screen: app, screens, panes and widgets. The only folder that imports textual."""
