// A page that came as the answer to a form takes its address's place in the history: who goes back to it gets the address
// once more, and not the browser's own page about a form that would have to be sent again.

history.replaceState(history.state, "", location.href);
