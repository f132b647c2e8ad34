// The API's health, as this browser sees it.
